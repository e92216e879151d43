import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Ceremonies, Ceremony } from './ceremonies.js';
import { Identity } from './identity.entity.js';
import { PageController } from './page.controller.js';
import { Passkey } from './passkey.entity.js';
import { PasskeysController } from './passkeys.controller.js';
import { ProviderClient } from './provider.client.js';
import { SessionOpener } from './session.opener.js';
import { SocialController } from './social.controller.js';

@Module({
  imports: [TypeOrmModule.forFeature([Ceremony, Identity, Passkey])],
  controllers: [PageController, PasskeysController, SocialController],
  providers: [Ceremonies, ProviderClient, SessionOpener],
})
export class SignInModule {}
