# The identity agent and its workers, from memory and over socket pairs.
foreach(_part limits queue message asker)
  kiln_unit_test(agent_${_part} SOURCES agent_${_part}.c)
endforeach()
target_link_options(unit_agent_asker PRIVATE -Wl,--wrap=kiln_link_answered
  -Wl,--wrap=kiln_link_unasked)
target_link_options(unit_agent_message PRIVATE -Wl,--wrap=malloc)
