import {
  type ArgumentMetadata,
  type PipeTransform,
  type Type,
  ValidationPipe,
  type ValidationError,
  type ValidationPipeOptions,
} from '@nestjs/common';
import type { ValidatorOptions } from 'class-validator';
import { type FieldError, invalidRequest, type ProblemException } from '../../../guard/nest/problem.exception';
import { idProblem, plainTextProblem, userIdProblem } from '../../domain/input-rules';
import { rules, ValidateBy, ValidateIf } from './rules';

/** The most broken rules that an answer lists: the answer to a body of unknown fields must not be larger than the body. */
const MAX_ERRORS = 20;

const RULES: ValidatorOptions = {
  whitelist: true,
  forbidNonWhitelisted: true,
  forbidUnknownValues: true,
  validationError: { target: false, value: false },
};

const brokenRules = (errors: readonly ValidationError[]): ProblemException =>
  invalidRequest(...errors.flatMap((error) => fieldErrorsOf(error)).slice(0, MAX_ERRORS));

/** Validates what is received by its DTO; unknown fields are refused, every broken rule is named (400). */
export function validationPipe(options: ValidationPipeOptions = {}): PipeTransform {
  // Nest's pipe loads class-validator when it is made.
  let pipe: ValidationPipe | undefined;
  return {
    transform: (value: unknown, metadata: ArgumentMetadata) => {
      rules.apply();
      pipe ??= new ValidationPipe({ ...options, ...RULES, transform: true, exceptionFactory: brokenRules });
      return pipe.transform(value, metadata);
    },
  };
}

/** The same for a parsed JSON body of plain fields. JSON has types of its own, so nothing is converted. */
export const bodyPipe = (dto: Type<object>): PipeTransform => ({
  transform: (body: object | undefined): object => {
    const value = Object.assign(new dto(), body);
    const errors = rules.apply().validateSync(value, RULES);
    if (errors.length > 0) throw brokenRules(errors);
    return value;
  },
});

function fieldErrorsOf({ property, constraints = {}, children = [] }: ValidationError, parent = ''): FieldError[] {
  const path = parent + property;
  return [
    ...Object.values(constraints).map((message) => ({ path, message })),
    ...children.flatMap((child) => fieldErrorsOf(child, `${path}.`)),
  ];
}

/** A field that keeps a rule of `domain/input-rules`, whose words the answer repeats. */
export const ByRule = (problemOf: (value: unknown) => string | null): PropertyDecorator =>
  ValidateBy({
    name: 'byRule',
    validator: {
      validate: (value) => problemOf(value) === null,
      defaultMessage: (args) => `${args?.property ?? 'value'} ${problemOf(args?.value) ?? ''}`,
    },
  });

/** For every string field of a DTO that is stored or shown. */
export const IsPlainText = (): PropertyDecorator => ByRule(plainTextProblem);

/** Validates the field if it is present. Unlike `@IsOptional()`, null does not count as absent. */
export const IfPresent = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

/** A UUID in the path, normalised to lower case, by which locks and memory know it; otherwise 400 with its name. */
export const uuidPipe = (path: string): PipeTransform<string, string> => ({
  transform: (id) => inPath(path, id, idProblem).toLowerCase(),
});

/** A user's id in the path, as it is written: only the directory knows how it is spelled. Otherwise 400 with its name. */
export const userIdPipe = (path: string): PipeTransform<string, string> => ({
  transform: (id) => inPath(path, id, userIdProblem),
});

function inPath(path: string, value: string, problemOf: (value: unknown) => string | null): string {
  const problem = problemOf(value);
  if (problem !== null) throw invalidRequest({ path, message: `${path} ${problem}` });
  return value;
}
