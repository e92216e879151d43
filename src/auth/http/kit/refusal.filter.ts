import { Catch } from '@nestjs/common';
import { ProblemDetailsFilter } from '../../../guard/nest/problem-details.filter';
import { ProblemException } from '../../../guard/nest/problem.exception';
import { InvalidInput } from '../../../support/invalid-input';
import { Overloaded } from '../../../support/overloaded';
import { Throttled } from '../../../support/throttled';

/** Answers what auth itself refuses on a host's routes. Everything else there is the host's to answer. */
@Catch(ProblemException, Throttled, Overloaded, InvalidInput)
export class RefusalFilter extends ProblemDetailsFilter {}
