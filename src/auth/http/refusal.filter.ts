import { Catch } from '@nestjs/common';
import { Overloaded } from '../domain/overloaded';
import { Throttled } from '../domain/throttled';
import { ProblemDetailsFilter } from './problem-details.filter';
import { ProblemException } from './problem.exception';

/** Answers what auth itself refuses on a host's routes. Everything else there is the host's to answer. */
@Catch(ProblemException, Throttled, Overloaded)
export class RefusalFilter extends ProblemDetailsFilter {}
