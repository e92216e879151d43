import { Module } from '@nestjs/common';
import { PeopleController } from './people.controller.js';
import { PeopleUserDirectory } from './people-user.directory.js';
import { People } from './people.js';

@Module({
  controllers: [PeopleController],
  providers: [People, PeopleUserDirectory],
  exports: [PeopleUserDirectory],
})
export class PeopleModule {}
