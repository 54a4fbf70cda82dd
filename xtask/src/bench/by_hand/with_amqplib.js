// What people write by hand, with amqplib: match against a dictionary, publish, acknowledge when it is confirmed.

const amqplib = require("amqplib");
const fs = require("fs");

const [source, target, file] = process.argv.slice(2);
const enrolled = new Set(JSON.parse(fs.readFileSync(file)));

async function main() {
  const connection = await amqplib.connect(process.env.SAMSPOR_AMQP_URL);
  const channel = await connection.createConfirmChannel();
  await channel.prefetch(1000);
  await channel.consume(source, (message) => {
    const posting = JSON.parse(message.content);
    if (!enrolled.has(posting.citizen.cpr)) return channel.ack(message);
    posting.solution = "bench";
    const options = { persistent: true, mandatory: true, contentType: "application/json" };
    channel.publish("", target, Buffer.from(JSON.stringify(posting)), options, (error) => {
      if (error) throw error;
      channel.ack(message);
    });
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
