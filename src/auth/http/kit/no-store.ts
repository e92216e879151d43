import { applyDecorators, Header } from '@nestjs/common';

/** For answers that contain tokens or identify a user (RFC 6749 section 5.1). */
export const NoStore = () => applyDecorators(Header('Cache-Control', 'no-store'), Header('Pragma', 'no-cache'));
