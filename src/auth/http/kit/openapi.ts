import type * as Swagger from '@nestjs/swagger';
import { Noted } from './noted';

/**
 * The descriptions of the routes for @nestjs/swagger. The package is 100 ms of a start, and is loaded where a document is made:
 * by the application when it makes one, for a host when it mounts auth's routes. The build sends what Swagger's plugin adds
 * here as well (`scripts/openapi-imports.mjs`), so an answer of the plugin's needs `ApiResponse`, which no source names.
 */
export const openapi = new Noted(() => require('@nestjs/swagger') as typeof Swagger);

export const ApiBasicAuth = openapi.factory('ApiBasicAuth');
export const ApiBearerAuth = openapi.factory('ApiBearerAuth');
export const ApiBody = openapi.factory('ApiBody');
export const ApiConsumes = openapi.factory('ApiConsumes');
export const ApiCreatedResponse = openapi.factory('ApiCreatedResponse');
export const ApiHeader = openapi.factory('ApiHeader');
export const ApiNoContentResponse = openapi.factory('ApiNoContentResponse');
export const ApiOkResponse = openapi.factory('ApiOkResponse');
export const ApiOperation = openapi.factory('ApiOperation');
export const ApiProperty = openapi.factory('ApiProperty');
export const ApiQuery = openapi.factory('ApiQuery');
/** @public for Swagger's plugin */
export const ApiResponse = openapi.factory('ApiResponse');
export const ApiTags = openapi.factory('ApiTags');
