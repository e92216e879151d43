/* What Ratchet's own application makes its routes of. It loads @nestjs/swagger, which no host needs for its own routes. */
export { ApiProblems } from './kit/api-problems';
export { openApiDocument, setupSwagger } from './kit/swagger';
export { ByRule, IfPresent, userIdPipe, uuidPipe, validationPipe } from './kit/validation.pipe';
