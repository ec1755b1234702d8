/**
 * Deficit round robin (Shreedhar and Varghese, 1995) in its surplus form (Adiseshu, Parulkar, Varghese, 1996): a path is served
 * while its account is positive, may overdraw it with one packet, and pays that back in its next turn. Fair by octets.
 * The cursor moves by compare-and-swap, so a turn's quantum is paid once however many workers find the account empty.
 */
import { GROUP_CURSOR, MEMBER_DEFICIT, MEMBER_QUANTUM } from '../layout';
import { addShared, hasCompany, loadShared, swapShared } from '../memory/shared';
import { memberAt, memberCount } from './group';

/** Turns after which a path is served on credit: more are due only if packets are far larger than the quanta. */
const MOST_TURNS: u32 = 4096;

// @ts-ignore: decorator
@inline
export function pickDeficit(group: usize, length: u32): u32 {
  return hasCompany() ? pickInCompany(group, length) : pick(group, length, false);
}

function pickInCompany(group: usize, length: u32): u32 {
  return pick(group, length, true);
}

// @ts-ignore: decorator
@inline
function pick(group: usize, length: u32, company: bool): u32 {
  const count = memberCount(group);
  let index: u32 = 0;
  for (let turn: u32 = 0; turn < MOST_TURNS; turn++) {
    index = loadShared<u32>(group + GROUP_CURSOR, company);
    if (loadShared<i32>(memberAt(group, index) + MEMBER_DEFICIT, company) > 0) break;
    const next = index + 1 < count ? index + 1 : 0;
    if (swapShared<u32>(group + GROUP_CURSOR, index, next, company) == index) {
      const member = memberAt(group, next);
      addShared<i32>(member + MEMBER_DEFICIT, load<i32>(member, MEMBER_QUANTUM), company);
    }
  }
  addShared<i32>(memberAt(group, index) + MEMBER_DEFICIT, -(<i32>length), company);
  return index;
}
