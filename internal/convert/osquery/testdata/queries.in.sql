-- name: programs that were deleted
-- tags: hunt, process
-- What runs and is not there any more.
SELECT pid, name, path FROM processes WHERE on_disk = 0;

-- Who listens to everybody, and as whom?
SELECT DISTINCT p.name, u.username, lp.port
FROM listening_ports lp
JOIN processes p USING (pid)
LEFT JOIN users u ON p.uid = u.uid
WHERE lp.address IN ('0.0.0.0', '::') AND lp.port <> 0 AND p.path NOT LIKE '/usr/%';

SELECT path, mtime FROM file
WHERE (path LIKE '/tmp/%' OR path LIKE '/tmp/.%') AND mtime > strftime('%s', 'now') - 86400;

SELECT h.sha256, p.pid FROM processes p JOIN hash h ON p.path = h.path WHERE p.uid = 0;

SELECT f.path FROM users u JOIN file f ON f.path LIKE u.directory || '/.ssh/%';

WITH big AS (SELECT pid, name FROM processes WHERE resident_size > 104857600)
SELECT big.name, s.remote_address FROM big JOIN process_open_sockets s USING (pid) WHERE s.remote_address NOT LIKE '10.%';

SELECT name, count(*) AS n FROM processes GROUP BY name HAVING n > 5 ORDER BY n DESC LIMIT 10;

SELECT name AS name, 'deb' AS source FROM deb_packages UNION SELECT name, 'rpm' FROM rpm_packages;

SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM users CROSS JOIN user_ssh_keys USING (uid) WHERE encrypted = '0');

SELECT * FROM shell_history;

SELECT version FROM deb_packages WHERE name = 'openssl' AND version < '3.0' COLLATE VERSION;

SELECT regex_match(cmdline, 'port=(\d+)', 1) AS port, split(path, '/', 1) AS top FROM processes WHERE cmdline LIKE '%port=%';

SELECT * FROM smbios_tables;
SELECT nothing FROM processes;
SELECT name FROM processes WHERE on_disk = 2;
SELECT * FROM processes NATURAL JOIN users;
SELECT json_extract(cmdline, '$.a') FROM processes;
SELECT path FROM file WHERE size > 10;
