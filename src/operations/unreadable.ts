/** What any route answers to a request that is no HTTP: the only one of these routes' own problems. */
export const UNREADABLE = { 400: { description: 'The request cannot be read as HTTP', code: 'bad_request' } };
