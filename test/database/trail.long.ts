import { describeTrail } from './trail';

describeTrail(1_000_000);
