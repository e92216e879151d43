import { ResourceServers } from './resource-servers';

export const resourceServersProviders = [ResourceServers];
