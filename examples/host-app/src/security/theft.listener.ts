import { Injectable } from '@nestjs/common';
import { OnEvent } from '@nestjs/event-emitter';
import { RefreshTokenReuseDetected, UserDirectory } from 'nest-ratchet';

/** Notifies users that somebody else had their token. A real application sends a mail here. */
@Injectable()
export class TheftListener {
  constructor(private readonly people: UserDirectory) {}

  @OnEvent(RefreshTokenReuseDetected.type)
  async mail({ context }: RefreshTokenReuseDetected): Promise<void> {
    const person = await this.people.findById(context.userId ?? '');
    console.log(`Mail to ${person?.email}: somebody used an old token of yours, and its session has ended.`);
  }
}
