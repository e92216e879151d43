/** The only routes that read forms. Everywhere else a form is 415: pages of other origins can send one without asking. */
const FORM_ROUTES = ['/oauth/token', '/oauth/revoke', '/oauth/introspect'];

/**
 * The routes of `oauth: true`, which are at the root, where the metadata says. An application with a global prefix excludes them:
 * `app.setGlobalPrefix('api', { exclude: [...OAUTH_ROUTES] })`.
 */
export const OAUTH_ROUTES: readonly string[] = [
  '/.well-known/jwks.json',
  '/.well-known/oauth-authorization-server',
  ...FORM_ROUTES,
];

/** Whether the route at this path reads forms, as routers compare it: without regard to case and a final slash. */
export const takesForm = (path: string): boolean => FORM_ROUTES.includes(path.toLowerCase().replace(/\/$/, ''));
