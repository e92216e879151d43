import fc from 'fast-check';

// For Stryker, which runs a property once for each mutant: few examples, and always the same, so that the score is one number.
fc.configureGlobal({ numRuns: 25, seed: 1 });
