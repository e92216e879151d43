/** A user's id in the OpenAPI document. */
export const USER_ID = { type: String, minLength: 1, maxLength: 128, example: '0198a0b0-0000-7000-8000-000000000001' };
