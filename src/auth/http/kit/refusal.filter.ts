import { Catch } from '@nestjs/common';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { InvalidInput } from '../../../support/invalid-input';
import { Overloaded } from '../../../support/overloaded';
import { Throttled } from '../../../support/throttled';

/** Answers auth's own refusals on a host's routes. The host answers every other error. */
@Catch(ProblemException, Throttled, Overloaded, InvalidInput)
export class RefusalFilter extends ProblemDetailsFilter {}
