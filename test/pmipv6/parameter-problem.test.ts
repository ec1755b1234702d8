/** RFC 6275 §9.2 and RFC 4443 §3.4: the error that a bad Payload Proto or Header Len is answered with. */
import { expect, test } from 'vitest';
import { parseAddress } from '../../src/ip.ts';
import { parameterProblem } from '../../src/pmipv6/parameter-problem.ts';

test('type 4, code 0, the pointer behind the IPv6 header, the packet as it came', () => {
  const message = Uint8Array.of(17, 1, 5, 0, 0xaa, 0xbb, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
  const octets = parameterProblem(
    message,
    1,
    parseAddress('2001:db8::1').bytes,
    parseAddress('2001:db8::2').bytes,
  );
  expect(Buffer.from(octets).toString('hex')).toBe(
    '0400000000000029' +
      '60000000001087' +
      '40' +
      '20010db8000000000000000000000001' +
      '20010db8000000000000000000000002' +
      '11010500aabb00010203040506070809',
  );
});

test('no more than fits into 1280 octets with the IPv6 header in front', () => {
  const address = parseAddress('2001:db8::1').bytes;
  expect(parameterProblem(new Uint8Array(2048), 0, address, address)).toHaveLength(1280 - 40);
});
