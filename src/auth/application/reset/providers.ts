import { IssueResetTicketHandler } from './issue-reset-ticket.handler';
import { ResetPasswordHandler } from './reset-password.handler';

export const resetProviders = [IssueResetTicketHandler, ResetPasswordHandler];
