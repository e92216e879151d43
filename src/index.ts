/**
 * The package's door: what a host imports.
 * @module nest-ratchet
 */
import './peers';
export * from './auth';
export * from './console';
export * from './guard';
export * from './guard/nest';
