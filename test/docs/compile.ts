import { join, resolve } from 'node:path';
import * as ts from 'typescript';

const ROOT = resolve(__dirname, '../..');

/** What the compiler says against blocks of code that a host would write, with the package found in this repository. */
export function complaintsOf(...sources: string[]): string[] {
  const blocks = new Map(sources.map((source, at) => [join(ROOT, `document-${at}.ts`), source]));
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.es2024.string.d.ts'], // the package's sources are compiled along
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    experimentalDecorators: true,
    skipLibCheck: true,
    types: ['node'],
    paths: { 'nest-ratchet': [join(ROOT, 'src/index.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const fromDisk = host.getSourceFile.bind(host);
  const exists = host.fileExists.bind(host);
  host.fileExists = (name) => blocks.has(name) || exists(name);
  host.getSourceFile = (name, target) => {
    const block = blocks.get(name);
    return block === undefined ? fromDisk(name, target) : ts.createSourceFile(name, block, target);
  };
  const program = ts.createProgram([...blocks.keys()], options, host);
  // Of the blocks alone: `npm run typecheck` looks at the package's sources.
  const files = [...blocks.keys()].map((name) => program.getSourceFile(name));
  const diagnostics = [
    ...program.getOptionsDiagnostics(),
    ...program.getGlobalDiagnostics(),
    ...files.flatMap((file) => [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]),
  ];
  return diagnostics.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
