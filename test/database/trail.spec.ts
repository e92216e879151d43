import { describeTrail } from './trail';

describeTrail(50_000);
