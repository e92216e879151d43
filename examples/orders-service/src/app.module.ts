import { Module } from '@nestjs/common';
import { ResourceServerModule } from 'nest-ratchet/resource-server/nest';
import { OrdersController } from './orders.controller.js';

const { AUTH_URL = 'http://localhost:3000', AUTH_ISSUER = AUTH_URL, AUTH_AUDIENCE = 'ratchet' } = process.env;

@Module({
  imports: [
    ResourceServerModule.forRoot({
      issuer: AUTH_ISSUER,
      audience: AUTH_AUDIENCE,
      jwksUrl: process.env.AUTH_JWKS_URL ?? `${AUTH_URL}/.well-known/jwks.json`,
      feed: { url: `${AUTH_URL}/auth/revocations`, name: 'orders', secret: process.env.AUTH_SECRET ?? '' },
      maxStaleness: '60s',
    }),
  ],
  controllers: [OrdersController],
})
export class AppModule {}
