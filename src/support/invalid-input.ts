/** Input that breaks a rule: `path` names the field, the message is the rule in words and begins with that name. */
export class InvalidInput extends Error {
  constructor(
    readonly path: string,
    rule: string,
  ) {
    super(`${path} ${rule}`);
  }
}
