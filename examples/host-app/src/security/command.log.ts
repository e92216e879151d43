import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import type { Subscription } from 'rxjs';

/** There is one bus: a subscriber sees auth's commands beside the application's own. */
@Injectable()
export class CommandLog implements OnModuleInit, OnModuleDestroy {
  private watching?: Subscription;

  constructor(private readonly commands: CommandBus) {}

  onModuleInit(): void {
    this.watching = this.commands.subscribe((command) => console.log(`Command ${command.constructor.name}`));
  }

  onModuleDestroy(): void {
    this.watching?.unsubscribe();
  }
}
