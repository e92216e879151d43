import { GetPublicKeysHandler } from './get-public-keys.handler';

export const keysProviders = [GetPublicKeysHandler];
