/**
 * Traffic of the flow tests, run inside a namespace: `server ADDRESS` echoes UDP on the ports given and serves 300 KB a TCP connection on
 * the TCP port; `client` sends COUNT datagrams to one port (or reads the TCP stream) and prints how much came back.
 */
import dgram from 'node:dgram';
import net from 'node:net';

const [mode, kind, address, port, ...rest] = process.argv.slice(2);
if (mode === 'server') {
  if (kind === 'udp') {
    for (const each of [port, ...rest]) {
      const socket = dgram.createSocket('udp4');
      socket.on('message', (message, from) => socket.send(message, from.port, from.address));
      socket.bind(Number(each), address, () => console.log(`udp ${each}`));
    }
  } else {
    net
      .createServer((socket) => {
        socket.on('error', () => {});
        socket.end(Buffer.alloc(300_000));
      })
      .listen(Number(port), address, () => console.log(`tcp ${port}`));
  }
} else if (kind === 'udp') {
  const count = Number(rest[1]);
  const socket = dgram.createSocket('udp4');
  let received = 0;
  const end = () => {
    console.log(received);
    process.exit(0);
  };
  socket.on('message', () => {
    if (++received === count) end();
  });
  socket.bind(0, rest[0], () => {
    let sent = 0;
    const timer = setInterval(() => {
      for (let i = 0; i < 10 && sent < count; i++, sent++) {
        socket.send(Buffer.alloc(200, sent & 255), Number(port), address);
      }
      if (sent === count) {
        clearInterval(timer);
        setTimeout(end, 5000);
      }
    }, 2);
  });
} else {
  let received = 0;
  const socket = net.connect({ host: address, port: Number(port), localAddress: rest[0] });
  socket.on('data', (data) => (received += data.length));
  socket.on('close', () => console.log(received));
  socket.on('error', (error) => console.log(error.message));
}
