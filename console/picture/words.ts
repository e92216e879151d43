import { agentText, eventText, numberText, plainText, timeText, wordText } from '../texts';
import type { End, Item, Where } from './story';

const placeOf = ({ address, agent }: Where): string =>
  `${address ?? 'an unknown address'} with ${plainText(agentText(agent))}`;

const refreshesText = (count: number): string => (count === 1 ? '1 refresh' : `${numberText(count)} refreshes`);

const againText = (times: number): string =>
  `Its answer was sent again${times === 1 ? '' : ` ${numberText(times)} times`}.`;

/** What an item is, in one sentence: the picture's text twin. */
export function sentenceOf(item: Item): string {
  switch (item.kind) {
    case 'start':
      return `Opened${item.method === null ? '' : ` by ${plainText(item.method)}`} from ${placeOf(item)}${item.device === null ? '' : `, on “${plainText(item.device)}”`}.`;
    case 'bead': {
      const changes = item.changed.map((one) => `another ${one}`).join(' and ');
      return [
        `Refresh ${String(item.generation)} from ${placeOf(item)}${changes === '' ? '' : `, ${changes} than before`}.`,
        ...(item.missing > 0 ? [`${refreshesText(item.missing)} before it not recorded here.`] : []),
        ...(item.replays.length > 0 ? [againText(item.replays.length)] : []),
      ].join(' ');
    }
    case 'fold':
      return `${refreshesText(item.beads.length)} at which nothing else happened.`;
    case 'theft': {
      const { presentedBy, rotatedBy } = item;
      const by = rotatedBy === null ? '' : ` It had been exchanged by ${placeOf(rotatedBy)}.`;
      return `Theft: a token that had been exchanged was presented from ${placeOf(presentedBy)}.${by} Two parties have had the same token.`;
    }
    case 'end':
      return `The end: ${wordText(item.reason)}${item.actorId === null ? '' : `, by the administrator ${plainText(item.actorId)}`}.`;
    case 'mark':
      return `${item.isAfterEnd ? 'After the end: ' : ''}${plainText(eventText(item.type))}${item.reason === null ? '' : ` (${plainText(wordText(item.reason))})`}, from ${placeOf(item)}.`;
  }
}

export const whenOf = ({ at }: Item): string => timeText(at);

/** Ends that follow from a rule, and not from what somebody asked for. */
const BY_RULE = ['reuse_detected', 'token_version_rejected', 'session_limit_exceeded'];

export function authorOf({ reason, actorId }: End): string {
  if (actorId !== null) return 'by an administrator';
  if (reason === 'admin_action' || reason === 'user_deactivated') return 'by an operator';
  return BY_RULE.includes(reason) ? 'by Ratchet' : 'by the user';
}
