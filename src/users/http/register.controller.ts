import { Body, Controller, Post, Req } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { ApiCreatedResponse, ApiOperation, ApiProblems, ApiTags } from '../../auth/http';
import { clientOf, type HttpRequest, invalidRequest, ProblemException, Public } from '../../index';
import { RegisterUserCommand } from '../register-user.command';
import { RegisterDto } from './register.dto';
import { RegisteredUserDto } from './registered-user.dto';

@ApiTags('auth')
@Controller('auth')
export class RegisterController {
  constructor(private readonly commands: CommandBus) {}

  @ApiOperation({ summary: 'Register', description: 'Opens an account with the role `user`. Sign in separately.' })
  @ApiCreatedResponse({ type: RegisteredUserDto })
  @ApiProblems([400, 409, 413, 415, 429, 503], {
    400: {
      description: 'The request breaks a rule; `errors` lists the broken rules',
      code: 'invalid_request',
      errors: [{ path: 'password', message: 'password is one of the most common passwords' }],
    },
    409: { description: 'An account with this e-mail exists', code: 'email_taken' },
  })
  @Public()
  @Post('register')
  async register(
    @Body() { email, password, displayName }: RegisterDto,
    @Req() request: HttpRequest,
  ): Promise<RegisteredUserDto> {
    const result = await this.commands.execute(
      new RegisterUserCommand(email, password, displayName, clientOf(request)),
    );
    if (result.ok) return result.value;
    const refusal = result.reason;
    if (refusal.kind === 'email_taken') throw new ProblemException(409, { code: refusal.kind });
    throw invalidRequest({ path: refusal.path, message: refusal.message });
  }
}
