import { ActAsUserHandler } from './act-as-user.handler';

export const actAsProviders = [ActAsUserHandler];
