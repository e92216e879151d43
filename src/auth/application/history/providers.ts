import { AuditReads } from './audit-reads';
import { CountRareEventsHandler } from './count-rare-events.handler';
import { FindAuthEventsHandler } from './find-auth-events.handler';
import { GetSessionHistoryHandler } from './get-session-history.handler';

export const historyProviders = [AuditReads, CountRareEventsHandler, FindAuthEventsHandler, GetSessionHistoryHandler];
