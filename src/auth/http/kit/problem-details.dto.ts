import { ApiProperty } from './openapi';

/** One broken rule. */
export class FieldErrorDto {
  /** The name of the field or header. */
  @ApiProperty({ example: 'deviceName' })
  path!: string;

  @ApiProperty({ example: 'deviceName must be shorter than or equal to 128 characters' })
  message!: string;
}

/** The body of every error, as `application/problem+json` (RFC 9457). */
export class ProblemDetails {
  @ApiProperty({ example: 'about:blank' })
  type!: string;

  /** The status in words. */
  @ApiProperty({ example: 'Unauthorized' })
  title!: string;

  @ApiProperty({ example: 401 })
  status!: number;

  /** The error code; programs branch on it. */
  @ApiProperty({ example: 'refresh_refused' })
  code!: string;

  /** What to do next: sign in again (401), have the user prove who they are once more (401), send the same request again (429, 503), or slow down (429). */
  @ApiProperty({ enum: ['reauthenticate', 'step_up', 'retry', 'wait'], required: false })
  recovery?: string;

  /** The rules that the request breaks (400). */
  @ApiProperty({ type: [FieldErrorDto], required: false })
  errors?: FieldErrorDto[];
}
