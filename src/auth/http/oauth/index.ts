import { OAuthController } from './oauth.controller';
import { RoutesAtRoot } from './routes-at-root';
import { WellKnownController } from './well-known.controller';

/** OAuth's shapes of auth's routes. Loaded where they are mounted. */
export const controllers = [WellKnownController, OAuthController];

/** What serves them. */
export const routeProviders = [RoutesAtRoot];
