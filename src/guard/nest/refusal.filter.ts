import { Catch } from '@nestjs/common';
import { InvalidInput } from '../../support/invalid-input';
import { Overloaded } from '../../support/overloaded';
import { ProofProblem } from '../../support/proof-problem';
import { Throttled } from '../../support/throttled';
import { ProblemDetailsFilter } from './problem-details.filter';
import { ProblemException } from './problem.exception';

/** Answers the guard's refusals and auth's own on a host's routes. The host answers every other error. */
@Catch(ProblemException, Throttled, Overloaded, InvalidInput, ProofProblem)
export class RefusalFilter extends ProblemDetailsFilter {}
