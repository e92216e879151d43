export const ADAPTERS = ['fastify', 'express'] as const;

export type AdapterName = (typeof ADAPTERS)[number];
