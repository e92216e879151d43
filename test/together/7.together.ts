import { together } from './together';

together(7, 8);
