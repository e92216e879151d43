import { AuditReads } from './audit-reads';
import { FindAuthEventsHandler } from './find-auth-events.handler';
import { GetSessionHistoryHandler } from './get-session-history.handler';

export const historyProviders = [AuditReads, FindAuthEventsHandler, GetSessionHistoryHandler];
