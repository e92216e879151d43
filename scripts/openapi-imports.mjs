// A plugin of the compiler, behind the one of @nestjs/swagger. That one adds decorators to controllers, and to every
// controller and DTO an import of the package, which would load it in every process. The import is sent to the decorators
// of kit/openapi.ts instead, which wait until a document is made.
import { dirname, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const OPENAPI = fileURLToPath(new URL('../src/auth/http/kit/openapi', import.meta.url));

const isOfSwagger = (statement) =>
  ts.isImportEqualsDeclaration(statement) &&
  ts.isExternalModuleReference(statement.moduleReference) &&
  statement.moduleReference.expression.text === '@nestjs/swagger';

export const before =
  () =>
  ({ factory }) =>
  (file) => {
    const from = factory.createStringLiteral(`./${relative(dirname(file.fileName), OPENAPI)}`);
    const statements = file.statements.map((statement) =>
      isOfSwagger(statement)
        ? factory.updateImportEqualsDeclaration(
            statement,
            statement.modifiers,
            statement.isTypeOnly,
            statement.name,
            factory.createExternalModuleReference(from),
          )
        : statement,
    );
    return factory.updateSourceFile(file, statements);
  };
