import { ApiProperty } from '../kit/openapi';
import type { SessionInstructions } from './session-headers';

/** What the browser keeps of a bound session; or that it should forget it. */
export class SessionInstructionsDto implements Partial<SessionInstructions> {
  /** `false`: the browser forgets the session and its key. Absent otherwise. */
  @ApiProperty({ required: false, example: false })
  continue?: false;

  @ApiProperty({ required: false, format: 'uuid' })
  session_identifier?: string;

  @ApiProperty({ required: false, example: '/auth/dbsc/refresh' })
  refresh_url?: string;

  /** The requests that wait for the cookie: all of the origin but these. */
  @ApiProperty({ required: false, type: Object })
  scope?: SessionInstructions['scope'];

  @ApiProperty({ required: false, type: [Object] })
  credentials?: SessionInstructions['credentials'];
}
