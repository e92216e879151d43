import { finish, inTurn } from './checks.mjs';

// What a reviewer need not look for, without running the product; two at a time.

await Promise.all([inTurn(['lint']), inTurn(['docs:api', 'format:check', 'openapi:lint', 'boundaries', 'knip'])]);
finish();
