/**
 * Reports a constructor parameter of a decorated class whose type comes from a type-only import.
 * TypeScript then emits `Function` or `Object` as its injection token, without a word, and Nest fails at run time or,
 * worse, injects something else. A parameter with a decorator of its own (`@Inject(TOKEN)`) needs no run-time type.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
export const injectedAsValue = {
  meta: {
    type: 'problem',
    schema: [],
    messages: { typeOnly: "'{{name}}' is injected here: import it as a value, `import type` erases the token." },
  },
  create(context) {
    const importOf = (name, scope) => {
      for (let current = scope; current; current = current.upper) {
        const variable = current.set.get(name);
        if (variable) return variable.defs.find(({ type }) => type === 'ImportBinding');
      }
      return undefined;
    };

    return {
      'MethodDefinition[kind="constructor"]'(constructor) {
        const owner = constructor.parent.parent;
        if (!owner.decorators?.length) return;
        for (const parameter of constructor.value.params) {
          if (parameter.decorators?.length) continue;
          const bound = parameter.type === 'TSParameterProperty' ? parameter.parameter : parameter;
          const identifier = bound.type === 'AssignmentPattern' ? bound.left : bound;
          const type = identifier.typeAnnotation?.typeAnnotation;
          if (type?.type !== 'TSTypeReference' || type.typeName.type !== 'Identifier') continue;
          const { name } = type.typeName;
          const binding = importOf(name, context.sourceCode.getScope(owner));
          if (binding?.parent.importKind === 'type' || binding?.node.importKind === 'type') {
            context.report({ node: type, messageId: 'typeOnly', data: { name } });
          }
        }
      },
    };
  },
};
