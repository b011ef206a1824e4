package evtxtest

import "strings"

// event writes an event as Windows does: a template for its head, into which
// another is put for its data.
func (c *chunk) event(id uint64, e *Event) {
	is := func(kind byte, data ...byte) func() byte {
		return func() byte {
			c.put(data...)
			if len(data) == 0 {
				return 0
			}
			return kind
		}
	}
	var user []byte
	if e.SID != "" {
		user = SID(e.SID)
	}
	values := []func() byte{
		is(1, wide(e.Provider)...), is(6, le.AppendUint16(nil, e.ID)...), is(4, e.Level), is(0x11, filetime(e.Time)...),
		is(0x0a, le.AppendUint64(nil, id)...), is(8, le.AppendUint32(nil, e.PID)...), is(1, wide(e.Channel)...), is(1, wide(e.Computer)...),
		is(0x13, user...), is(0x15, 0, 0, 0, 0, 0, 0, 0x20, 0x80), is(1),
		func() byte { c.data(e); return 0x21 },
	}
	c.template("event", c.head, values)
}

// head writes the definition of an event's head.
func (c *chunk) head() {
	value := func(name string, s sub) { c.element(name, nil, func() { c.sub(s) }) }
	c.element("Event", []attr{{name: "xmlns", text: "http://schemas.microsoft.com/win/2004/08/events/event"}}, func() {
		c.element("System", nil, func() {
			c.element("Provider", []attr{{name: "Name", sub: sub{0, 1}}, {name: "Guid", sub: sub{10, 0x0f}}}, nil)
			value("EventID", sub{1, 6})
			value("Level", sub{2, 4})
			value("Keywords", sub{9, 0x15})
			c.element("TimeCreated", []attr{{name: "SystemTime", sub: sub{3, 0x11}}}, nil)
			value("EventRecordID", sub{4, 0x0a})
			c.element("Correlation", []attr{{name: "ActivityID", sub: sub{10, 0x0f}}}, nil)
			c.element("Execution", []attr{{name: "ProcessID", sub: sub{5, 8}}, {name: "ThreadID", sub: sub{5, 8}}}, nil)
			value("Channel", sub{6, 1})
			value("Computer", sub{7, 1})
			c.element("Security", []attr{{name: "UserID", sub: sub{8, 0x13}}}, nil)
		})
		c.put(0x0d)
		c.put16(11)
		c.put(0x21)
	})
}

// data writes the data of an event as binary XML of its own. A name with a /
// in it is an element in another, as in UserData.
func (c *chunk) data(e *Event) {
	holder := e.Name
	if holder == "" {
		holder = "EventData"
	}
	id := holder
	var values []func() byte
	for _, d := range e.Data {
		id += "\x00" + d.Name + string(rune(d.Kind))
		values = append(values, func() byte { c.put(d.Data...); return d.Kind })
	}
	c.put(0x0f, 1, 1, 0)
	c.template(id, func() {
		c.element(holder, nil, func() {
			for i, d := range e.Data {
				inside := func() { c.sub(sub{i, d.Kind}) }
				outer, inner, nested := strings.Cut(d.Name, "/")
				switch {
				case nested:
					c.element(outer, nil, func() { c.element(inner, nil, inside) })
				case d.Name == "":
					c.element("Data", nil, inside)
				default:
					c.element("Data", []attr{{name: "Name", text: d.Name}}, inside)
				}
			}
		})
	}, values)
	c.put(0)
}
