import type { CommandLineConfig } from '../config';

/** What a check has found. */
export type Finding = readonly [status: 'ok' | 'warn' | 'fail', message: string];

/** By name; one that throws has failed. */
export type Checks = Readonly<Record<string, () => Finding | Promise<Finding>>>;

/** Of the application, or as far as the command line knows it. */
export type Examined = CommandLineConfig;
