import { controlProblem, MAX_DEVICE_NAME } from '../domain/input-rules';
import { DELIVERIES, type Delivery } from '../domain/session';
import { ApiProperty } from './kit/openapi';
import { IsIn, MaxLength, MinLength } from './kit/rules';
import { ByRule, IfPresent, IsPlainText } from './kit/validation.pipe';

/** What a client may say about the device it runs on. */
export class DeviceDto {
  /** An id that the client chose for its device. */
  @ApiProperty({ example: 'a-browser' })
  @IsPlainText()
  @MaxLength(128)
  @IfPresent()
  deviceId?: string;

  /** A name for the device; shown in the list of sessions. */
  @ApiProperty({ example: 'Firefox on the laptop' })
  @IsPlainText()
  @MaxLength(MAX_DEVICE_NAME)
  @IfPresent()
  deviceName?: string;
}

export class LoginDto extends DeviceDto {
  @ApiProperty({ example: 'user@example.com' })
  @IsPlainText()
  @MinLength(1)
  @MaxLength(320)
  email!: string;

  @ApiProperty({ example: 'correct horse battery staple' })
  @ByRule(controlProblem)
  @MinLength(1)
  password!: string;

  /** Whether this session's refresh tokens are returned in the body or as a cookie. */
  @ApiProperty({ enum: DELIVERIES, example: 'body' })
  @IsIn(DELIVERIES)
  @IfPresent()
  delivery?: Delivery;
}
