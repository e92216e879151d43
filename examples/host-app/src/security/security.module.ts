import { Module } from '@nestjs/common';
import { CommandLog } from './command.log.js';
import { TheftListener } from './theft.listener.js';

@Module({ providers: [CommandLog, TheftListener] })
export class SecurityModule {}
