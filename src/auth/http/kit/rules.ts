import type * as Transformer from 'class-transformer';
import type * as Validator from 'class-validator';
import { Noted } from './noted';

type Packages = typeof Validator & Pick<typeof Transformer, 'Transform' | 'Type'>;

/**
 * The rules of what is received, and the packages that know them: 70 ms of a start, and no route needs them before it is
 * asked for something. {@link WarmUp} loads them before the first request would have to wait for it.
 */
export const rules = new Noted<Packages>(() => {
  const { Transform, Type } = require('class-transformer') as typeof Transformer;
  return { ...(require('class-validator') as typeof Validator), Transform, Type };
});

export const ArrayMaxSize = rules.factory('ArrayMaxSize');
export const ArrayUnique = rules.factory('ArrayUnique');
export const Equals = rules.factory('Equals');
export const IsArray = rules.factory('IsArray');
export const IsBoolean = rules.factory('IsBoolean');
export const IsIn = rules.factory('IsIn');
export const IsInt = rules.factory('IsInt');
export const IsOptional = rules.factory('IsOptional');
export const IsString = rules.factory('IsString');
export const IsUUID = rules.factory('IsUUID');
export const Matches = rules.factory('Matches');
export const Max = rules.factory('Max');
export const MaxLength = rules.factory('MaxLength');
export const Min = rules.factory('Min');
export const MinLength = rules.factory('MinLength');
export const Transform = rules.factory('Transform');
export const Type = rules.factory('Type');
export const ValidateBy = rules.factory('ValidateBy');
export const ValidateIf = rules.factory('ValidateIf');
