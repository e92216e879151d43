import { type DynamicModule, Module } from '@nestjs/common';
import { consoleController } from './console.controller';

/** Where a host mounts the console. */
export interface ConsoleOptions {
  /** Where the console is, such as `console` or `ops/console`, below the global prefix if there is one. */
  readonly path: string;
}

/**
 * Serves the console: static files under a strict Content-Security-Policy. It has no data of its own. The page calls public
 * routes as the administrator who signs in there; without the role `admin` these routes refuse. It requires an origin that
 * the routes of auth accept for cookies: its own.
 */
@Module({})
export class ConsoleModule {
  /** The module that serves the console below `path`. */
  static forRoot({ path }: ConsoleOptions): DynamicModule {
    return { module: ConsoleModule, controllers: [consoleController(path)] };
  }
}
