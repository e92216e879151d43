/**
 * In SQL for `auth_events`: every event as a row. In the table, a granted refresh is one row, which is both of its events.
 * Written apart from the product's own reading, so that tests do not share its mistakes.
 */
export const EVENTS = `(
  SELECT * FROM auth_events
  UNION ALL
  SELECT attempt_id, 'auth.token_refresh.attempted.v1', occurred_at, attempt_id, user_id, session_id, generation - 1,
         ip_address, user_agent, 'attempted', NULL, '{}'
    FROM auth_events WHERE type = 'auth.token_refresh.succeeded.v1') AS events`;
