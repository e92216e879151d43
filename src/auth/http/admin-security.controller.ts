import { Get, HttpCode, Param, Patch, Post, Req } from '@nestjs/common';
import { CommandBus, QueryBus } from '@nestjs/cqrs';
import { CurrentPrincipal, Roles } from '../../guard/nest/decorators';
import type { HttpRequest } from '../../guard/nest/http-request';
import { ProblemException } from '../../guard/nest/problem.exception';
import type { Principal } from '../../guard/principal';
import type { SecurityPolicy } from '../../guard/versions';
import { GetSecurityPolicyQuery } from '../application/versions/get-security-policy.query';
import { PreviewGlobalRotationQuery } from '../application/versions/preview-global-rotation.query';
import { RecoverAfterFailoverCommand } from '../application/versions/recover-after-failover.command';
import { TriggerGlobalTokenRotationCommand } from '../application/versions/trigger-global-token-rotation.command';
import { TriggerUserTokenRotationCommand } from '../application/versions/trigger-user-token-rotation.command';
import { UpdateGracePeriodCommand } from '../application/versions/update-grace-period.command';
import { ApiProblems } from './kit/api-problems';
import { AuthRoutes, JsonBody } from './kit/auth-routes';
import { actorOf } from './kit/client-of';
import { NoStore } from './kit/no-store';
import { ApiBearerAuth, ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from './kit/openapi';
import { PROOF_TOO_OLD, RecentProof } from './kit/recent-proof';
import { userIdPipe } from './kit/validation.pipe';
import {
  GlobalRotationDto,
  GlobalRotationPreviewDto,
  RecoverDto,
  RecoveryEpochDto,
  RotateAllDto,
  RotateUserDto,
  SecurityPolicyDto,
  UpdateSecurityPolicyDto,
  UserRotationDto,
} from './security-policy.dto';

@ApiTags('security')
@ApiBearerAuth()
@Roles('admin')
@AuthRoutes('admin')
export class AdminSecurityController {
  constructor(
    private readonly commands: CommandBus,
    private readonly queries: QueryBus,
  ) {}

  @ApiOperation({ summary: 'Show the security policy' })
  @ApiOkResponse({ type: SecurityPolicyDto })
  @ApiProblems([401, 403, 503])
  @Get('security')
  async getSecurityPolicy(): Promise<SecurityPolicyDto> {
    return this.queries.execute(new GetSecurityPolicyQuery());
  }

  @ApiOperation({
    summary: 'Set the default grace period of later rotations',
    description: 'A running grace period does not change.',
  })
  @ApiBody({ type: UpdateSecurityPolicyDto })
  @ApiOkResponse({ type: SecurityPolicyDto })
  @ApiProblems([400, 401, 403, 413, 415, 503], { 401: PROOF_TOO_OLD })
  @RecentProof('adminReauthentication')
  @Patch('security')
  async updateSecurityPolicy(
    @JsonBody(UpdateSecurityPolicyDto) { gracePeriodSeconds }: UpdateSecurityPolicyDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<SecurityPolicy> {
    return this.commands.execute(new UpdateGracePeriodCommand(gracePeriodSeconds, actorOf(principal, request)));
  }

  @ApiOperation({
    summary: 'Rotate all tokens',
    description:
      'Raises the global version. Tokens of an older version are refused, at once or at the end of the grace period.',
  })
  @ApiBody({
    type: RotateAllDto,
    // Beside a default, a page would fill in a grace period that it forbids.
    examples: {
      immediate: {
        summary: 'Now, for a breach',
        value: { reason: 'The signing key was in a log', mode: 'immediate' },
      },
      drain: {
        summary: 'Within ten minutes, for a breach',
        value: { reason: 'The signing key was in a log', mode: 'drain', gracePeriodSeconds: 600 },
      },
      migrate: {
        summary: 'Within a day, without signing out users who return, for hygiene',
        value: { reason: 'Once a year', mode: 'migrate', gracePeriodSeconds: 86_400 },
      },
    },
  })
  @ApiCreatedResponse({ type: GlobalRotationDto })
  @ApiProblems([400, 401, 403, 409, 413, 415, 503], {
    401: PROOF_TOO_OLD,
    409: { description: 'The version is not the expected one: somebody has already rotated', code: 'version_mismatch' },
  })
  @RecentProof('adminReauthentication')
  @Post('security/rotations')
  async rotateAllTokens(
    @JsonBody(RotateAllDto) { reason, mode, gracePeriodSeconds, expectedVersion }: RotateAllDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<GlobalRotationDto> {
    const command = new TriggerGlobalTokenRotationCommand(
      reason,
      mode,
      gracePeriodSeconds ?? null,
      expectedVersion ?? null,
      actorOf(principal, request),
    );
    const result = await this.commands.execute(command);
    if (!result.ok) throw new ProblemException(409, { code: result.reason });
    return result.value;
  }

  @ApiOperation({
    summary: 'Preview a rotation of all tokens',
    description: 'What a rotation would affect at this moment. Changes nothing.',
  })
  @ApiOkResponse({ type: GlobalRotationPreviewDto })
  @ApiProblems([401, 403, 503])
  @NoStore()
  @Get('security/rotations/preview')
  async previewRotation(): Promise<GlobalRotationPreviewDto> {
    return this.queries.execute(new PreviewGlobalRotationQuery());
  }

  @ApiOperation({
    summary: 'Declare a recovery epoch after a failover that lost commits',
    description:
      'Until its end, refresh tokens that are newer than their sessions are adopted, and a session that has two holders ' +
      'ends. While it is open, anyone who has a refresh-token key and the id of a session could take it over. A repetition ' +
      'moves the end.',
  })
  @ApiBody({
    type: RecoverDto,
    examples: {
      day: { summary: 'For a day', value: { reason: 'Failover to db2, asynchronous' } },
      week: { summary: 'For a week', value: { reason: 'Failover to db2, asynchronous', forSeconds: 604_800 } },
      end: { summary: 'End it now', value: { reason: 'Everybody is back', forSeconds: 0 } },
    },
  })
  @ApiOkResponse({ type: RecoveryEpochDto })
  @ApiProblems([400, 401, 403, 413, 415, 503], { 401: PROOF_TOO_OLD })
  @RecentProof('adminReauthentication')
  @HttpCode(200)
  @Post('security/recovery')
  async recoverAfterFailover(
    @JsonBody(RecoverDto) { reason, forSeconds }: RecoverDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<RecoveryEpochDto> {
    return this.commands.execute(new RecoverAfterFailoverCommand(reason, forSeconds, actorOf(principal, request)));
  }

  @ApiOperation({ summary: "Rotate one user's tokens", description: "All of the user's tokens are refused at once." })
  @ApiBody({ type: RotateUserDto })
  @ApiCreatedResponse({ type: UserRotationDto })
  @ApiProblems([400, 401, 403, 404, 413, 415, 503], {
    401: PROOF_TOO_OLD,
    404: { description: 'No such user', code: 'user_not_found' },
  })
  @RecentProof('adminReauthentication')
  @Post('users/:id/rotations')
  async rotateUserTokens(
    @Param('id', userIdPipe('id')) id: string,
    @JsonBody(RotateUserDto) { reason }: RotateUserDto,
    @CurrentPrincipal() principal: Principal,
    @Req() request: HttpRequest,
  ): Promise<UserRotationDto> {
    const result = await this.commands.execute(
      new TriggerUserTokenRotationCommand(id, reason, actorOf(principal, request)),
    );
    if (!result.ok) throw new ProblemException(404, { code: result.reason });
    return result.value;
  }
}
