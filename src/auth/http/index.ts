/* What Ratchet's own application makes its routes of. */
export { ApiProblems, UNREADABLE } from './kit/api-problems';
export {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiTags,
  openapi,
} from './kit/openapi';
export { PROOF_TOO_OLD, RecentProof } from './kit/recent-proof';
export {
  ArrayMaxSize,
  ArrayUnique,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsUUID,
  Matches,
  Max,
  Min,
  rules,
  Transform,
  Type,
  ValidateBy,
} from './kit/rules';
export { openApiDocument, setupSwagger } from './kit/swagger';
export { ByRule, IfPresent, userIdPipe, uuidPipe, validationPipe } from './kit/validation.pipe';
